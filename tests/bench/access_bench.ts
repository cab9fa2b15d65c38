// What a decision about a PUBLISH costs with a hundred rules: remembered, and worked out.
import { type AccessRule, AccessRules, type KnownClient } from "../../mod.ts";

const RULES: AccessRule[] = Array.from(
  { length: 100 },
  (_, index) => ({ permission: "allow", action: "all", filter: `site/${index}/%c/#` }),
);
const CLIENT: KnownClient = {
  clientId: "c",
  username: "u",
  remoteAddress: "127.0.0.1",
  listener: "tcp",
  protocolVersion: 5,
};
const rules = new AccessRules(RULES);
const policy = rules.policyOf(CLIENT);
const facts = { qos: 1, retain: false } as const;

Deno.bench("access: remembered", () => {
  policy.mayPublish(CLIENT, "site/99/c/temperature", facts);
});

Deno.bench("access: worked out, all rules", () => {
  rules.decide(CLIENT, { action: "publish", topic: "site/99/c/temperature", ...facts });
});
