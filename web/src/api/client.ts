import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./schema.gen";

/** The shapes of the wire, by the names openapi.yaml gives them. */
export type Schema<Name extends keyof components["schemas"]> = components["schemas"][Name];

export type Run = Schema<"RunItem">;
export type RunState = Schema<"RunState">;
export type Problem = Schema<"Error">;
export type Environment = Schema<"CloudEnvironment">;

/** The root of the app as the server wrote it into the page, with a slash at its end. */
export const base = new URL("./", document.baseURI).href;

/** Failure is an answer that was not what was asked for: the problem document, or no answer at all. */
export class Failure extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryable: boolean;

  constructor(status: number, problem: Partial<Problem> | undefined) {
    super(problem?.detail ?? problem?.title ?? (status ? `The server answered ${status}` : "The server cannot be reached"));
    this.status = status;
    this.code = problem?.type?.split("/").filter(Boolean).at(-1)?.replaceAll("-", "_") ?? "";
    this.retryable = problem?.retryable ?? status === 0;
  }
}

/** Listeners are told when the server no longer knows who asks. */
const onSignedOut = new Set<() => void>();

export function watchSignedOut(tell: () => void): () => void {
  onSignedOut.add(tell);
  return () => onSignedOut.delete(tell);
}

const failures: Middleware = {
  async onResponse({ response }) {
    if (response.ok) return;
    const problem = await response
      .clone()
      .json()
      .catch(() => undefined);
    if (response.status === 401) for (const tell of onSignedOut) tell();
    throw new Failure(response.status, problem);
  },
  onError({ error }) {
    if (error instanceof DOMException && error.name === "AbortError") return error;
    return error instanceof Failure ? error : new Failure(0, undefined);
  },
};

/** api calls the server with the session's cookie. A call either gives its data or throws a Failure. */
export const api = createClient<paths>({ baseUrl: `${base}api/v1`, credentials: "same-origin" });
api.use(failures);

/** must unwraps what the middleware has already checked. */
export async function must<T>(call: Promise<{ data?: T }>): Promise<T> {
  const { data } = await call;
  return data as T;
}
