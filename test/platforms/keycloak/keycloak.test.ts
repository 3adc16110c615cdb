import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { Browser } from '../../support/identity/browser.ts'
import { KeycloakSite, type Person } from './keycloak-site.ts'

const BOTH = ['shop-web', 'wiki']
/** A session of a minute, the three minutes that Keycloak leaves it, and one of the task that removes it. */
const EXPIRY_MS_MAX = 480_000

let site: KeycloakSite
/** Whom nobody logs out. */
let bystander: Person
/** Whose session expires while the others are logged out. */
let visitor: Person

beforeAll(async () => {
  site = await KeycloakSite.open({ kafkaBrokers: inject('kafkaBrokers'), redisUrl: inject('redisUrl') })
  visitor = await arrive('kiosk', 'visitor')
  bystander = await arrive('shop', 'bystander')
})
afterAll(() => site?.[Symbol.asyncDispose]())

async function arrive(realm: Person['realm'], name: string): Promise<Person> {
  const person = await site.signIn(realm, name, await site.createUser(realm, name))
  expect(await site.signedInAt(person)).toEqual(site.rps[realm].map(({ clientId }) => clientId))
  return person
}

/** The RPs have verified the token with the realm's JWK set, and their pages ask for a login again. */
async function expectLoggedOut(person: Person, waitMs?: number): Promise<void> {
  for (const { clientId } of site.rps[person.realm]) {
    const { headers, data } = await site.outcomes.waitForOutcome(clientId, person.sessionId, waitMs)
    expect(headers.ce_type, JSON.stringify(data)).toBe('backchannel-logout-sent')
    expect(data).toMatchObject({ issuer: site.keycloak.issuer(person.realm), sid: person.sessionId })
  }
  expect(await site.signedInAt(person)).toEqual([])
}

describe('what happens at Keycloak ends at each RP, whose page asks for a login again', () => {
  test.each<[string, string, (person: Person) => Promise<void>]>([
    ['ann', 'an administrator logs the user out', ({ userId }) => site.keycloak.admin.logOut('shop', userId)],
    ['ben', 'the user is disabled', ({ userId }) => site.keycloak.admin.disableUser('shop', userId)],
    [
      'ida',
      'the user is locked out for good',
      async ({ name }) => {
        for (const password of ['wrong', 'wrong again'])
          await expect(site.logInDirectly('shop', 'admin-cli', name, password)).rejects.toThrow(
            'invalid_grant',
          )
      },
    ],
    ['cat', 'the user is deleted', ({ userId }) => site.keycloak.admin.deleteUser('shop', userId)],
  ])('%s: %s, who has two sessions', async (name, _what, end) => {
    const laptop = await arrive('shop', name)
    const phone = await site.signIn('shop', name, laptop.userId)
    await end(laptop)
    await expectLoggedOut(laptop)
    await expectLoggedOut(phone)
    expect(await site.signedInAt(bystander)).toEqual(BOTH)
  })

  test('the user logs out at one RP', async () => {
    const dan = await arrive('shop', 'dan')
    for (const rp of site.rps.shop.slice(0, 1)) await dan.browser.signOut(rp)
    await expectLoggedOut(dan)
    expect(await site.signedInAt(bystander)).toEqual(BOTH)
  })

  test('an administrator removes one session, and the other one lives', async () => {
    const laptop = await arrive('shop', 'eve')
    const phone = await site.signIn('shop', 'eve', laptop.userId)
    await site.keycloak.admin.removeSession('shop', laptop.sessionId)
    await expectLoggedOut(laptop)
    // The other RP gets `sub` as well, and ends every session of the user by it.
    expect(await site.signedInAt(phone)).toContain('wiki')
    const left = await site.keycloak.admin.sessionsOf('shop', phone.userId)
    expect(left.map(({ id }) => id)).toEqual([phone.sessionId])
  })

  test('an administrator sets a password, only with that cause', async () => {
    const fay = await arrive('shop', 'fay')
    const { admin } = site.keycloak
    await admin.setPassword('shop', fay.userId, 'one')
    await site.hasRead(({ data }) => data.resourcePath === `users/${fay.userId}/reset-password`)
    expect(await site.signedInAt(fay)).toEqual(BOTH)
    await site.setCauses(['logout', 'expired', 'disabled', 'deleted', 'password'])
    await admin.setPassword('shop', fay.userId, 'two')
    await expectLoggedOut(fay)
    expect(await site.signedInAt(bystander)).toEqual(BOTH)
  })

  test('a realm that is an RP of another one ends its own session by the token, and its RP is told in turn', async () => {
    const [portal] = site.rps.partner
    if (portal === undefined) throw new Error('the realm has no RP')
    const gil = await site.createUser('shop', 'gil')
    const browser = new Browser()
    await browser.signIn(portal, 'gil')
    const [upstream] = await site.keycloak.admin.sessionsOf('shop', gil)
    await site.keycloak.admin.logOut('shop', gil)
    expect((await site.outcomes.waitForOutcome('partner', upstream?.id)).data).toMatchObject({ status: 200 })
    expect((await site.outcomes.waitForOutcome('portal')).data).toMatchObject({ status: 204 })
    expect(await browser.isSignedIn(portal)).toBe(false)
  })

  test('a session expires', async () => {
    await expectLoggedOut(visitor, EXPIRY_MS_MAX)
    expect(await site.signedInAt(bystander)).toEqual(BOTH)
  })
})

test('an RP that knows the user by a subject of its own is told by the session', async () => {
  const wiki = site.rps.shop[1]
  const page = wiki && (await bystander.browser.visit(wiki))
  expect(page?.body).toContain('signed in at wiki')
  expect(page?.body).not.toContain(bystander.userId)
})

test('no record of Keycloak is a dead letter, and `trace` shows the logout', async () => {
  for (const topic of ['keycloak-events', 'keycloak-admin-events']) {
    const { status, stdout } = await site.command('map', '--topic', topic, '--from', '1h')
    expect(status, stdout).toBe(0)
  }
  const traced = await site.command('trace', visitor.userId, '--issuer', 'kiosk')
  expect(traced.status).toBe(0)
  expect(traced.stdout).toContain('session-terminated (expired)')
})

test('a login at a client of Keycloak itself is none that must be told', async () => {
  const hal = await site.createUser('shop', 'hal')
  const { session_state: sessionId } = await site.logInDirectly('shop', 'admin-cli', 'hal')
  await site.keycloak.admin.logOut('shop', hal)
  await site.hasRead(({ data }) => data.resourcePath === `users/${hal}/logout`)
  await site.outcomes.caughtUp()
  expect(site.outcomes.outcomes.filter(({ data }) => data.sessionId === sessionId)).toEqual([])
})
