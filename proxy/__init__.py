"""Where accepted connections come from: bind providers and the decision which one a bind takes."""
