"""chat-hygiene: retention for WhatsApp inboxes, with proof."""
