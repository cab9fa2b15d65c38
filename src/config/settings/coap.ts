import { setting } from "../setting.ts";
import { address } from "../text_type.ts";
import { count, flag, size } from "../value_type.ts";

/** `server.coap_*`: the CoAP door. */
export const COAP_SETTINGS = {
  "server.coap_enabled": setting({
    type: flag(),
    initial: false,
    about: "Whether CoAP clients are served over UDP: docs/doors/coap.md.",
  }),
  "server.coap_addr": setting({
    type: address(),
    initial: { hostname: "127.0.0.1", port: 5683 },
    about: "Where CoAP clients send to; this listener is called `coap`. As `server.tcp_addr`, over UDP.",
  }),
  "server.coap_max_endpoints": setting({
    type: count({ from: 16, to: 1_000_000 }),
    initial: 10_000,
    about:
      "CoAP clients (an address and a port each) that are remembered at a time, so that a request is carried out once.",
    atLimit:
      "The one that was silent longest is forgotten; while all are observing or waiting, who is new is not answered.",
  }),
  "server.coap_max_observations": setting({
    type: count({ from: 1, to: 1_000_000 }),
    initial: 10_000,
    about: "Topics that CoAP clients observe at a time, counted over all of them; one may have 64.",
    atLimit: "A topic is read instead; one with wildcards is refused with 5.03.",
  }),
  "server.coap_max_requests_per_second": setting({
    type: count({ from: 0, to: 1_000_000 }),
    initial: 1_000,
    about:
      "CoAP requests of one IP address (IPv6: of one /64), blocks and all; twice as many in a burst. 0 is unlimited.",
    atLimit: "4.29 with Max-Age; who goes on is not answered any more.",
  }),
  "server.coap_max_body_size": setting({
    type: size({ from: 1024, to: 256 * 1024 ** 2 }),
    initial: 256 * 1024,
    about: "Largest body of a CoAP request, in one datagram or in blocks. Never more than `broker.max_message_size`.",
    atLimit: "4.13 with Size1, as soon as it is known.",
  }),
  "server.coap_uri_credentials": setting({
    type: flag(),
    initial: false,
    about:
      "Whether CoAP clients may log in by `username=` and `password=` in the query of a URI. Over UDP everybody on the way can " +
      "read them: for a listener behind DTLS, or on a network of its own.",
    atLimit: "4.01 while it is off.",
  }),
};
