import process from "node:process";

/** The processor time that this thread takes for `act`, in milliseconds: what else the machine does meanwhile does not count. */
export async function processorMs(act: () => unknown): Promise<number> {
  const before = process.threadCpuUsage();
  await act();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}
