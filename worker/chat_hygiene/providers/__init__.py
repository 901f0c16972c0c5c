"""HTTP to the services that hold the chats, and a fake of one."""
