/** A proxy for one connection, which says `header` in pieces of `size` bytes together with what the client says. */
export async function carry(
  listener: Deno.TcpListener,
  { port, header, size }: { port: number; header: Uint8Array; size: number },
): Promise<void> {
  using client = await listener.accept();
  listener.close();
  using server = await Deno.connect({ hostname: "127.0.0.1", port });
  const back = server.readable.pipeTo(client.writable).catch(() => {});
  try {
    let before = header;
    for await (const chunk of client.readable) {
      const bytes = Uint8Array.from([...before, ...chunk]);
      before = new Uint8Array(0);
      for (let at = 0; at < bytes.length; at += size) await server.write(bytes.subarray(at, at + size));
    }
    await server.closeWrite();
  } catch { // the broker has cut it
  }
  await back;
}
