// The contract as Specmatic gets it. Taken out are the operations of which only one request succeeds: with a code from a
// mail, with the user's own password, before the account is gone, or with a user's id, an ETag and a cursor. What else is
// changed is what Specmatic's generator of requests can't read, and what no schema can say. Answers are judged by what the
// contract says of them.

/** The user that a login names. */
export const ada = { email: 'ada@example.com', username: 'ada', password: 'correct horse battery staple' }

// The generator doesn't know \x00, and takes it for the letter x and two digits. A surrogate by itself is no character,
// which it doesn't know either: it fails when it has to send one that it has made.
const spelled = [
  ['[^\\x00]', '[\u0001-\uD7FF\uE000-\uFFFD]'],
  ['[^@\\x00-\\x20]', '[!-?A-~]'],
]

/** Answers the contract for Specmatic, as JSON in ASCII, since it refuses some characters in a file. */
export function contractFor(json) {
  const contract = JSON.parse(json)
  const { Registration, LoginForm } = contract.components.schemas
  for (const [path, item] of Object.entries(contract.paths)) {
    for (const [method, operation] of Object.entries(item)) if (isSingle(operation)) delete item[method]
    if (Object.keys(item).length === 0) delete contract.paths[path]
  }
  for (const { properties = {} } of Object.values(contract.components.schemas)) {
    for (const property of Object.values(properties)) respell(property)
  }

  // An address of any script is a format that it doesn't know, and an ASCII one is such an address too.
  Registration.properties.email.format = 'email'

  // A password's bound is one of bytes, of which OpenAPI knows nothing: only in ASCII is a character a byte.
  Registration.properties.password.pattern = '^[\u0001-\u007F]*$'

  // By its form a login may have any credentials and none, but only a user's own are answered 200, which is what Specmatic
  // expects of every request that fits the schema.
  LoginForm.required = ['username', 'password']
  LoginForm.properties.username.enum = [ada.email]
  LoginForm.properties.password.enum = [ada.password]
  LoginForm.properties.grant_type.enum = ['password']
  // Which fields go together is not for a schema to say: a refresh token belongs to the other grant.
  LoginForm.properties.refresh_token.enum = ['']
  // A scope is one of a list that the field's schema doesn't have.
  LoginForm.properties.scope.enum = ['']

  // It knows no key in a cookie, and the server that it tests has no sessions in cookies.
  contract.paths['/api/users/login/token/'].post.security = []
  delete contract.components.securitySchemes.RefreshCookie
  contract.components.schemas.TokenDelivery.enum = ['body']
  // Registration is open there.
  delete contract.paths['/api/users/'].post.responses['202']
  // Making texts of this pattern takes it for ever.
  delete contract.components.headers.RefreshCookie.schema.pattern

  return JSON.stringify(contract).replace(
    /[^\x20-\x7E]/g,
    (unit) => '\\u' + unit.charCodeAt(0).toString(16).padStart(4, '0'),
  )
}

function isSingle({ operationId, tags }) {
  const own = ['UpdateCurrentUser', 'DeleteCurrentUser', 'ChangePassword', 'Reauthenticate', 'ListOwnEvents']
  return tags?.includes('codes') || tags?.includes('operators') || own.includes(operationId)
}

function respell(property) {
  for (const [from, to] of spelled) property.pattern = property.pattern?.replaceAll(from, to)
}
