/** Who registers. */
export interface Person {
  email: string
  username: string
  password: string
}
