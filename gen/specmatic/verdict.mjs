// What Specmatic's output means: how many tests there were, and which of its findings are findings.

/** The tests that Specmatic makes at the least; fewer would mean that it has not understood the contract. */
export const leastTests = 110

/**
 * Answers what a run has shown, by its exit code and its output: `findings`, each with its request and answer; `counts` in
 * Specmatic's words; and whether the run is whole, so that each of its tests has passed or is known to have failed.
 */
export function verdictOf({ code, output }, usernames) {
  const counts = /Tests run: (\d+), Successes: (\d+), Failures: \d+.*/.exec(output)
  const failed = output.split('--------------------').filter((part) => /has FAILED/.test(part))
  const findings = failed.filter((finding) => !isMistaken(finding, usernames))
  const [tests, passed] = counts ? [Number(counts[1]), Number(counts[2])] : [0, 0]
  const isWhole = tests >= leastTests && tests === passed + failed.length && (code === 0 || failed.length > 0)
  return { findings, isWhole, counts: counts?.[0] ?? 'no tests were run', mistakes: failed.length - findings.length }
}

const mistaken =
  /^-ve {2}Scenario: POST \/api\/users\/ -> 4xx .* the key username is set to a value matching an invalid regex .* has FAILED$/m

/**
 * Tells whether a finding is Specmatic's own mistake. To break a pattern it puts one more `_` at its end, which a username may end
 * in: what it makes of that fits the contract, but for the longest of them. It is a mistake only where the server has done what
 * the contract promises for such a name, and where there is no other complaint: registered it, and said so.
 */
function isMistaken(finding, usernames) {
  if (!mistaken.test(finding)) return false
  const complaints = finding.match(/^ *>> .*$/gm) ?? []
  if (complaints.length !== 1 || !/>> RESPONSE\.STATUS\s+Expected 4xx status, but received 201\s*$/.test(finding)) return false
  const [request, answer] = finding.split(/^ *Response at .*$/m)
  if (!/^\s*201 Created$/m.test(answer ?? '')) return false
  const [sent, got] = [request, answer].map((text) => /"username": ("[^"\\]*")/.exec(text)?.[1])
  return sent !== undefined && sent === got && usernames.test(JSON.parse(sent))
}
