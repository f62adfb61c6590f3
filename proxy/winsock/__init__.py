"""The Winsock Proxy of Microsoft Proxy Server 2.0: files, codec, client, stand-in server."""
