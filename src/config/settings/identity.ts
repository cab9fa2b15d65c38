import { setting } from "../setting.ts";
import { pathOrNone } from "../text_type.ts";

/** `auth`: the users file. */
export const USERS_SETTINGS = {
  "auth.users_file": setting<string | null>({
    type: pathOrNone(),
    initial: null,
    about:
      "Users with a password and groups, kept as scrypt hashes: `weir user add NAME` makes the file. Only its owner and its group " +
      "may read it. Read again at SIGHUP: who was removed, disabled or changed is disconnected.",
    atLimit: "A wrong name or password: CONNACK 0x86 (Bad User Name or Password), in 3.1.1 0x04.",
  }),
};
