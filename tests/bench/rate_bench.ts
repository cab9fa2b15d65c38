/** What rate limits cost a message. */
import { Meter, RateLimiter } from "../../src/protocol/rate_limiter.ts";

const WIDE = { perSecond: 1e9, burst: 1e9 };
const ALL = { address: WIDE, client: WIDE, user: WIDE };
const CLIENT = { address: "192.0.2.1", client: "c", user: "u" };

const off: { meter: Meter | null } = { meter: null };
const one = new RateLimiter({ message: { client: WIDE } }).meter(CLIENT, 0);
const six = new RateLimiter({ message: ALL, bytes: ALL }).meter(CLIENT, 0);
const sixRefusing = new RateLimiter({ message: ALL, bytes: ALL, action: "refuse" }).meter(CLIENT, 0);
const limiter = new RateLimiter({ message: ALL, bytes: ALL });
let now = 0;

Deno.bench("no limit", () => off.meter?.assertMayPublish(100, now++));
Deno.bench("messages of a client", () => one.assertMayPublish(100, now++));
Deno.bench("messages and bytes of address, client and user", () => six.assertMayPublish(100, now++));
Deno.bench("the same, refusing", () => sixRefusing.assertMayPublish(100, now++));
Deno.bench("a connection comes and goes", () => limiter.meter(CLIENT, now++).close(now));
