/** Content-Format numbers of CoAP (RFC 7252 section 12.3 and its registry) and the content types of MQTT. */

const FORMATS: ReadonlyMap<number, string> = new Map([
  [0, "text/plain; charset=utf-8"],
  [16, 'application/cose; cose-type="cose-encrypt0"'],
  [19, "application/ace+cbor"],
  [21, "image/gif"],
  [22, "image/jpeg"],
  [23, "image/png"],
  [40, "application/link-format"],
  [41, "application/xml"],
  [42, "application/octet-stream"],
  [47, "application/exi"],
  [50, "application/json"],
  [51, "application/json-patch+json"],
  [52, "application/merge-patch+json"],
  [60, "application/cbor"],
  [61, "application/cwt"],
  [62, "application/multipart-core"],
  [63, "application/cbor-seq"],
  [110, "application/senml+json"],
  [111, "application/sensml+json"],
  [112, "application/senml+cbor"],
  [113, "application/sensml+cbor"],
  [114, "application/senml-exi"],
  [310, "application/senml+xml"],
  [11542, "application/vnd.oma.lwm2m+tlv"],
  [11543, "application/vnd.oma.lwm2m+json"],
  [11544, "application/vnd.oma.lwm2m+cbor"],
  [20000, "text/css"],
]);

export const ContentFormat = { text: 0, linkFormat: 40, octetStream: 42, json: 50 } as const;

const NUMBER_OF: ReadonlyMap<string, number> = new Map([...FORMATS].map(([number, type]) => [plain(type), number]));

/** The content type of a format; undefined for a number that is not known here. */
export function contentTypeOf(format: number): string | undefined {
  return FORMATS.get(format);
}

/** The format of a message: that of its content type, of text when it claims to be nothing but text; undefined when there is none. */
export function formatOf(message: { contentType?: string; payloadIsUtf8?: boolean }): number | undefined {
  if (message.contentType !== undefined) return NUMBER_OF.get(plain(message.contentType));
  return message.payloadIsUtf8 ? ContentFormat.text : undefined;
}

/** As it is compared: in lower case and without spaces; plain text is UTF-8 unless it says otherwise. */
function plain(contentType: string): string {
  const type = contentType.toLowerCase().replaceAll(/\s/g, "");
  return type === "text/plain" ? "text/plain;charset=utf-8" : type;
}
