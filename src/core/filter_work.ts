/** Work on filters after which others get their turn: 400 of usual length, a millisecond or two. */
export const FILTER_WORK_MAX = 16 * 1024;

/** What it takes to subscribe to a filter, or to give it up, which is gone through several times. */
export function filterWork(filter: string): number {
  return 32 + filter.length;
}
