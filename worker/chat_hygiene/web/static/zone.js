// Without a choice yet, times are shown in the browser's own zone. The page works without this.
if (!/(^|; )chat_hygiene_zone=/.test(document.cookie)) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) {
    document.cookie = `chat_hygiene_zone=${encodeURIComponent(zone)}; path=/; max-age=31536000; samesite=strict`;
    if (/(^|; )chat_hygiene_zone=/.test(document.cookie) && zone !== "UTC" && document.querySelector("time")) {
      location.replace(location.href);
    }
  }
}
