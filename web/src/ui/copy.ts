import { toast } from "./toast";

/** copy puts text on the clipboard and says whether that worked; a page without HTTPS may not. */
export function copy(text: string, done = "Copied") {
  Promise.resolve(navigator.clipboard)
    .then((clipboard) => clipboard.writeText(text))
    .then(
      () => toast.ok(done),
      (why) => toast.failed("It was not copied", why),
    );
}
