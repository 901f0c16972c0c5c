"""What an error gives away."""

import traceback


def everything_told(error: BaseException) -> str:
    """All that a log or a person could see of an error: its chain, its fields, and what the product's frames hold."""
    told, seen, links = [], set(), [error]
    while links:
        link = links.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        told += [str(link), repr(link), repr(vars(link)), repr(link.args), getattr(link, "fix", "")]
        frames = [
            frame
            for frame in traceback.walk_tb(link.__traceback__)
            if "/tests/" not in frame[0].f_code.co_filename
        ]
        told += traceback.StackSummary.extract(iter(frames), capture_locals=True).format()
        links += [other for other in (link.__cause__, link.__context__) if other is not None]
        links += getattr(link, "exceptions", ())
    return "\n".join(told)
