import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { RelyingParty } from '../../support/identity/relying-party.ts'
import { relayCommand } from '../../support/relay-command.ts'
import { replaceFile } from '../../support/signing-key-file.ts'
import { PageSteps, relayCommandSource } from '../page-steps.ts'
import type { KeycloakServer } from './keycloak-server.ts'
import { BROKER, brokerLogoutUri } from './realms.ts'

/** By realm. */
export type RelyingParties = Readonly<Record<'shop' | 'partner' | 'kiosk', readonly RelyingParty[]>>

export interface RelayFiles {
  readonly issuersFile: string
  readonly mappingFile: string
}

const IMPORTED = ['partner', 'kiosk'] as const

/**
 * Does at Keycloak, for the realm `shop`, what the page for operators says, and writes the files of a relay from those of
 * the page. The folder has the private key of each realm, `<realm>.pem`.
 */
export async function setUpAsThePageSays(
  keycloak: KeycloakServer,
  rps: RelyingParties,
  folder: string,
): Promise<RelayFiles> {
  const page = new PageSteps('feed-it/keycloak.md', {
    '--user admin': '--user admin --password admin',
    'https://login.example.com/realms/shop': keycloak.issuer('shop'),
    'https://login.example.com': keycloak.url,
    'https://shop.example.com/backchannel-logout': rps.shop[0]?.backchannelLogoutUri ?? '',
    '3fa1c0de-0000-4000-8000-000000000001': await keycloak.admin.realmId('shop'),
    // Not every machine that runs this has it; the key is there already.
    'openssl ': ': openssl ',
    '<kid>': '"$KID"',
  })
  const bin = join(folder, 'bin')
  await mkdir(bin)
  await writeFile(join(bin, 'logout-relay'), relayCommandSource, { mode: 0o755 })
  const env = { KC_OPTS: `-Duser.home=${folder}` }
  const operator = { folder, path: [bin, join(keycloak.home, 'bin')], env }
  await page.run('update events/config', operator)
  const before = await keycloak.keyIds('shop')
  await page.run('create components', operator)
  const [kid = ''] = (await keycloak.keyIds('shop')).filter((it) => !before.includes(it))
  await page.run('keys from-pem', { ...operator, env: { KID: kid } })
  for (const realm of IMPORTED) await writeKeyFile(keycloak, realm, folder)

  const issuersFile = join(folder, 'issuers.yaml')
  const { issuers } = parse(page.block('ISSUERS_FILE')) as { issuers: { clients: object[] }[] }
  const others = await Promise.all(IMPORTED.map((realm) => issuerOf(keycloak, realm, rps[realm])))
  issuers[0]?.clients.push(
    // It knows the user by another `sub`, and ends all sessions of a user whom the token names.
    { clientId: 'wiki', backchannelLogoutUri: rps.shop[1]?.backchannelLogoutUri, claims: 'sid' },
    { clientId: BROKER.clientId, backchannelLogoutUri: brokerLogoutUri(keycloak.issuer('partner')) },
  )
  await replaceFile(issuersFile, JSON.stringify({ issuers: [...issuers, ...others] }))
  const mappingFile = join(folder, 'mapping.yaml')
  await replaceFile(mappingFile, page.block('MAPPING_FILE'))
  return { issuersFile, mappingFile }
}

/** Of the key that a realm was imported with. */
async function writeKeyFile(keycloak: KeycloakServer, realm: string, folder: string): Promise<void> {
  const [kid = ''] = await keycloak.keyIds(realm)
  const [pem = '', out = ''] = ['pem', 'json'].map((it) => join(folder, `${realm}.${it}`))
  const options = ['--kid', kid, '--alg', 'RS256', '--out', out]
  const { status, stderr } = await relayCommand(['keys', 'from-pem', pem, ...options], {})
  if (status !== 0) throw new Error(stderr)
}

async function issuerOf(keycloak: KeycloakServer, realm: string, rps: readonly RelyingParty[]) {
  return {
    issuer: keycloak.issuer(realm),
    aliases: [realm, await keycloak.admin.realmId(realm)],
    keys: { file: `${realm}.json` },
    clients: rps.map(({ clientId, backchannelLogoutUri }) => ({ clientId, backchannelLogoutUri })),
  }
}
