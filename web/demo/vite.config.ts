import { join } from 'node:path'
import { defineConfig, loadEnv, type Plugin } from 'vite'

/**
 * Returns what the built page may do: load its own files, and call its two services. A script that
 * gets in can send the password nowhere else. Trusted Types make the browser refuse `innerHTML` and
 * the like. A form can't be sent without script, so that nothing that is typed gets into a URL.
 */
function contentSecurityPolicy(services: readonly string[]): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src ${services.join(' ')}`,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ')
}

/** Puts the policy into the built page. Vite's development server needs inline styles and a WebSocket, so not there. */
function policyInPage(policy: string): Plugin {
  return {
    name: 'content-security-policy',
    apply: 'build',
    transformIndexHtml: () => [
      {
        tag: 'meta',
        attrs: { 'http-equiv': 'Content-Security-Policy', content: policy },
        injectTo: 'head-prepend',
      },
    ],
  }
}

export default defineConfig(({ mode }) => {
  const env = loadEnv(mode, import.meta.dirname, 'VITE_')
  const services = [env.VITE_LATCHKEY_URL, env.VITE_NOTES_URL].map((url) => new URL(url ?? '').origin)
  // One fixed origin for `dev` and `preview`, since the server is told exactly which origins may
  // call it.
  const listen = { host: '127.0.0.1', port: Number(process.env.DEMO_PORT ?? 5173), strictPort: true }
  return {
    root: import.meta.dirname,
    plugins: [policyInPage(contentSecurityPolicy(services))],
    // One small script needs no preloading, and an asset as a data: URL would be against the
    // policy.
    build: {
      modulePreload: false,
      assetsInlineLimit: 0,
      rolldownOptions: { input: ['index.html', 'admin.html'].map((page) => join(import.meta.dirname, page)) },
    },
    server: listen,
    preview: {
      ...listen,
      // What a <meta> tag can't say; whatever serves the page in production should send these too.
      headers: {
        'Content-Security-Policy': "frame-ancestors 'none'",
        'Referrer-Policy': 'no-referrer',
        'X-Content-Type-Options': 'nosniff',
      },
    },
  }
})
