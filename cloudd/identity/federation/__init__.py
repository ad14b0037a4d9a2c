"""Users of other identity providers: OpenID Connect in, SAML assertions out."""
