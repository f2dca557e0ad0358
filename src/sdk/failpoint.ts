/** A named place where a test may stop, fail or kill the process. The product installs nothing: then it costs one comparison. */
export type FailpointHook = (name: string) => void | Promise<void>;

let hook: FailpointHook | undefined;

/** For tests only. */
export function installFailpoints(next: FailpointHook | undefined): void {
  hook = next;
}

/** Names are `where.what`, such as `commit.sent`; docs/testing.md lists them. */
export async function failpoint(name: string): Promise<void> {
  if (hook) await hook(name);
}
