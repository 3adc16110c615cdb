/** Where an issuer publishes its metadata (OpenID Connect Discovery 1.0 §4.1). */
export function discoveryUri(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
}

/** Where the metadata say that the keys are; `undefined` when they name no usable place. */
export function jwksUriIn({ jwks_uri: uri }: Readonly<Record<string, unknown>>): string | undefined {
  return typeof uri === 'string' && URL.canParse(uri) && /^https?:/i.test(uri) ? uri : undefined
}
