import { World, type WorldOptions } from "./world.ts";

/** How long the absent client stays away. */
const ROUNDS_AWAY = 4;

/** What a run had to do with. */
export interface Outcome {
  readonly deliveries: number;
  readonly redeliveries: number;
  readonly published: number;
  readonly wills: number;
}

/** Runs so many rounds; the absent client comes back every few of them and in the last.
 * @throws when a promise was broken */
export async function run(rounds: number, options: WorldOptions): Promise<Outcome> {
  await using world = new World(options);
  const { ledger, wills } = world;
  await world.open();
  const outcome = () => ({
    deliveries: ledger.deliveries,
    redeliveries: ledger.redeliveries,
    published: [...ledger.streams.values()].reduce((sum, { last }) => sum + last, 0),
    wills: wills.count,
  });
  for (let round = 1; round <= rounds; round++) {
    await world.round({ withAbsent: round === rounds || round % ROUNDS_AWAY === 0 });
    const { published, deliveries, redeliveries, wills } = outcome();
    options.log?.(
      `round ${round}: ${published} published, ${deliveries} delivered, ${redeliveries} of them again, ${wills} wills`,
    );
    world.verdict();
  }
  return outcome();
}
