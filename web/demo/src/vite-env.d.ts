/// <reference types="vite/client" />

interface ImportMetaEnv {
  /** The server's URL. Default in `.env`. */
  readonly VITE_LATCHKEY_URL: string
  /** The URL of the notes' API. Default in `.env`. */
  readonly VITE_NOTES_URL: string
}
