import { QueueWorld } from "./queue_world.ts";
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

/** What a run with queues had to do with. */
export interface QueueOutcome {
  readonly published: number;
  readonly deliveries: number;
  readonly redeliveries: number;
  readonly deadLetters: number;
}

/** The same with durable queues.
 * @throws when a promise was broken */
export async function runQueues(rounds: number, options: WorldOptions): Promise<QueueOutcome> {
  await using world = new QueueWorld(options);
  await world.open();
  const outcome = () => {
    const { deliveries, redeliveries, deadLetters } = world.ledger;
    return { published: world.published, deliveries, redeliveries, deadLetters };
  };
  for (let round = 1; round <= rounds; round++) {
    await world.round();
    options.log?.(`round ${round} of queues: ${JSON.stringify(outcome())}`);
    world.verdict();
  }
  return outcome();
}
