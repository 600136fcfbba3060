/** The URLs of the two services that the page calls. */
export const serverUrl = import.meta.env.VITE_LATCHKEY_URL
export const notesUrl = import.meta.env.VITE_NOTES_URL
