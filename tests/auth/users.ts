import { deriveScramCredential, type ScramCredential } from "../../mod.ts";

/** The least that RFC 7677 allows, so that tests are quick. */
export const ITERATIONS = 4096;

/** Credentials of these users, by name. */
export async function usersOf(passwords: Readonly<Record<string, string>>): Promise<Map<string, ScramCredential>> {
  const users = new Map<string, ScramCredential>();
  for (const [name, password] of Object.entries(passwords)) {
    users.set(name, await deriveScramCredential(password, { iterations: ITERATIONS }));
  }
  return users;
}
