"""The web process: a page for people, and health, metrics and webhooks for machines.

How a page is added:

1. `pages/NOUN.py` declares what there is about a noun, as a tuple `PARTS`: a `Page` to look at, a `Deed` to do (always
   with a reason, by operators only), a `Sheet` to take away as CSV (`page.py` says what each holds). One line in
   `pages/__init__.py` adds them; a page with a `group` stands in the menu.
2. Its `read` calls one function of the wiring, which asks `store` in one transaction: bounded by a LIMIT or a key to go on
   from, along an index, never over the audit. It gets a `Visit`, runs in a thread, and returns what its template shows.
3. `templates/NOUN.html` extends `base.html` and uses the macros of `macros.html`: `{{ at|when }}` or `{{ at|age }}` for an instant,
   `m.chat(row)` for a chat, `m.state(mood, word)` for how something stands, `m.empty(…)` where there is nothing.
   Other pages are linked by name: `{{ m.link("runs", "Runs") }}` is plain text while there is no such page.
   A table stands in `<div class="wide">`, with a caption, `scope`s, and `data-label` on each `<td>`: the column's name, shown
   where the screen is too narrow for columns.
4. A name, and what a person typed, is shown only `{% if operator %}`.

Sign-in, sessions, form tokens, host, origin, headers, the strip on top and errors are the foundation's (`site.py`,
`door.py`, `failures.py`): a page never deals with them. The policy for content allows no inline script or style and
nothing from elsewhere; drawings are SVG with attributes, not styles.
"""
