import type { DocumentAnswer } from '../egress/fetch-document.ts'
import { discoveryUri, jwksUriIn } from '../issuers/discovery-uri.ts'
import { counted } from '../lib/counted.ts'
import { error, type Found, ok } from './finding.ts'
import { contentOf, type Metadata } from './issuer.ts'
import { type Jwk, publishedKeys } from './key-published.ts'
import { shownUri } from './shown-uri.ts'

/** What an issuer publishes of itself, as far as it could be read. */
export interface IssuerDocuments {
  /** To the request for its metadata. */
  readonly answer: DocumentAnswer
  readonly metadata: Metadata | undefined
  readonly jwks: readonly Jwk[] | undefined
  /** How reading the metadata went, and reading the keys; the latter is missing without metadata. */
  readonly discovery: Found
  readonly keySet: Found | undefined
}

/** Reads an issuer's metadata and its JWK set (OpenID Connect Discovery 1.0 §4). Never throws. */
export async function readIssuerDocuments(
  issuer: string,
  fetchDocument: (uri: string) => Promise<DocumentAnswer>,
): Promise<IssuerDocuments> {
  const uri = discoveryUri(issuer)
  const answer = await fetchDocument(uri)
  const document = contentOf(uri, answer)
  if (document.kind === 'unusable')
    return { answer, metadata: undefined, jwks: undefined, discovery: document.found, keySet: undefined }
  const metadata = document.content
  const read = { answer, metadata, discovery: ok(`${shownUri(uri)} can be read`) }
  const jwksUri = jwksUriIn(metadata)
  if (jwksUri === undefined) {
    const none = error('the metadata has no jwks_uri', 'add jwks_uri to the metadata of the provider')
    return { ...read, jwks: undefined, keySet: none }
  }
  const set = contentOf(jwksUri, await fetchDocument(jwksUri))
  const keys = set.kind === 'read' ? publishedKeys(set.content) : set
  if (keys.kind === 'unusable') return { ...read, jwks: undefined, keySet: keys.found }
  return {
    ...read,
    jwks: keys.jwks,
    keySet: ok(`${shownUri(jwksUri)} publishes ${counted(keys.jwks.length, 'key')}`),
  }
}
