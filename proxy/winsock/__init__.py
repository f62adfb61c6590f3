"""The Winsock Proxy of Microsoft Proxy Server 2.0: client files, wire codec, client, stand-in server."""
