// A provider with development accounts: node provider.mjs PORT CLIENT_ID CLIENT_SECRET REDIRECT_URI.
// An account's id is its claims: "ada@example.com verified group1 group2". It prints "ready" once it listens.
import Provider from 'oidc-provider'

const [port, clientId, clientSecret, redirectUri] = process.argv.slice(2)

function claims(id) {
  const [email, verified, ...groups] = id.split(' ')
  return { sub: id.split('@')[0], email, email_verified: verified === 'verified', name: email.split('@')[0], groups }
}

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: clientId, client_secret: clientSecret, redirect_uris: [redirectUri], response_types: ['code'], grant_types: ['authorization_code'] }],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
  pkce: { required: () => true, methods: ['S256'] },
  cookies: { keys: ['for tests only'] },
  findAccount: (_, id) => ({ accountId: id, claims: async () => claims(id) }),
})
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'))
