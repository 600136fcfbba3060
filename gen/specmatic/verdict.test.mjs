import assert from 'node:assert/strict'
import { test } from 'node:test'

import { leastTests, verdictOf } from './verdict.mjs'

const usernames = /^[A-Za-z0-9_-]{3,64}$/

const scenario =
  'POST /api/users/ -> 4xx with a request where REQUEST.BODY contains all the keys AND the key username is set to a value ' +
  "matching an invalid regex '^[A-Za-z0-9_-]{3,64}_$'"

/** What Specmatic writes of one test that has failed; by default of the one that is its own mistake. */
function failure({ scenario: of = scenario, sent = 'byfqx_', got = sent, answer = '201 Created', received = '201', more = '' } = {}) {
  return `
  Request to http://127.0.0.1:42633 at 2026-11-26 1:17:21.470
    POST /api/users/
    Specmatic-Response-Code: 400
    Content-Type: application/json

    {
        "email": "naurm@uvvls.com",
        "username": "${sent}",
        "password": "+O2.\\u0014~\\u000f-"
    }

  Response at 2026-11-26 1:17:21.557
    ${answer}
    Content-Type: application/json

    {
        "is_active": true,
        "username": "${got}"
    }

-ve  Scenario: ${of} has FAILED
Reason:
Testing scenario "Register a user. Response: The body did not arrive in time. The connection is closed."
API: POST /api/users/ -> 4xx
${more}
  >> RESPONSE.STATUS

      Expected 4xx status, but received ${received}



`
}

/** A whole run with these failures among its tests. */
function run(...failures) {
  const parts = ['starting', ...failures, '\n+ve  Scenario: GET /healthz -> 200 has SUCCEEDED\n']
  const counts = `Tests run: ${leastTests}, Successes: ${leastTests - failures.length}, Failures: ${failures.length}, WIP: 0, Errors: 0`
  return { code: failures.length > 0 ? 1 : 0, output: `${parts.join('--------------------')}\n${counts}\n` }
}

test("Specmatic's own mistake is none of the server's", () => {
  const verdict = verdictOf(run(failure(), failure({ scenario: scenario + ' AND password is set to the longest possible string' })), usernames)
  assert.deepEqual([verdict.findings, verdict.isWhole, verdict.mistakes], [[], true, 2])
})

for (const [what, changed] of Object.entries({
  'a fault of the server': { answer: '500 Internal Server Error', received: '500' },
  'a status that is no refusal': { answer: '200 OK', received: '200' },
  'an answer other than the one that is complained of': { answer: '500 Internal Server Error' },
  'a name that the contract refuses': { sent: 'a' },
  'a name with a character that is not allowed': { sent: 'byf.qx' },
  'a name that came back as another': { got: 'byfqx' },
  'another complaint beside': { more: '\n  >> RESPONSE.HEADER.X-Request-Id\n\n      Header is missing\n' },
  'another member': { scenario: scenario.replace('key username', 'key email') },
  'another operation': { scenario: scenario.replace('/api/users/', '/api/other/') },
  'another way to break it': { scenario: scenario.replace(/matching.*/, "with length greater than maxLength '64'") },
})) {
  test(`${what} is a finding`, () => {
    const verdict = verdictOf(run(failure(), failure(changed)), usernames)
    assert.equal(verdict.findings.length, 1)
    assert.equal(verdict.mistakes, 1)
  })
}

for (const [what, broken] of Object.entries({
  'without tests': { code: 1, output: 'java.lang.OutOfMemoryError' },
  'of too few tests': { code: 0, output: `Tests run: ${leastTests - 1}, Successes: ${leastTests - 1}, Failures: 0` },
  'with a failure that it does not show': { ...run(), output: run().output.replace(`Successes: ${leastTests}`, `Successes: ${leastTests - 1}`) },
  'that failed without one': { ...run(), code: 1 },
})) {
  test(`a run ${what} is not whole`, () => assert.equal(verdictOf(broken, usernames).isWhole, false))
}
