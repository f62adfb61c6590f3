"""The PROXY protocol in front of any bind path: the load balancer tells who the peer is."""
