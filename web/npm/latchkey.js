#!/usr/bin/env node
// Runs the program of this platform with the arguments, the streams and the environment of the
// call, and ends as it ends.
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'

const platform = `${process.platform}-${process.arch}`
const platforms = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64']

/** Ends with the status of a wrong call, which would fail again. */
function refuse(why) {
  console.error(`latchkey: ${why}`)
  process.exit(2)
}

function find() {
  if (!platforms.includes(platform)) refuse(`there is no program for ${platform}, but for ${platforms.join(', ')}`)
  const name = `@latchkey-auth/latchkey-${platform}`
  try {
    return createRequire(import.meta.url).resolve(`${name}/bin/latchkey`)
  } catch {
    refuse(
      `${name} is not installed: npm leaves it out with --omit=optional, or if node_modules comes from another platform`,
    )
  }
}

const child = spawn(find(), process.argv.slice(2), { stdio: 'inherit' })
let stopping = false
function stop(signal) {
  stopping = true
  child.kill(signal)
}
// A terminal sends Ctrl-C to the program too, which takes both as one.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']) process.on(signal, stop)
// npm runs this through a shell. A signal to npm ends the shell, which doesn't pass it on.
const shell = process.ppid
if (process.env.npm_command !== undefined) {
  setInterval(() => {
    if (process.ppid !== shell && !stopping) stop('SIGTERM')
  }, 200)
}
child.on('error', (error) => {
  console.error(`latchkey: ${error.message}`)
  process.exit(1)
})
child.on('exit', (status, signal) => {
  if (signal === null) process.exit(status)
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
})
