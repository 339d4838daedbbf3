"""`--store` with the real client library and a server that speaks the protocol of S3."""
