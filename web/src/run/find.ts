import type { Item } from "./transcript";

/** words are all that an item shows, for searching. */
export function words(item: Item): string {
  switch (item.kind) {
    case "user":
    case "text":
    case "reasoning":
    case "notice":
      return item.text;
    case "action":
      return [item.name, ...Object.values(item.input ?? {}).filter((v) => typeof v === "string"), item.result?.output ?? item.output].join("\n");
    case "setup":
      return item.phases.map((p) => `${p.name} ${p.command ?? ""} ${p.output ?? ""}`).join("\n");
    case "request":
      return `${item.request.prompt}\n${item.answer?.text ?? ""}`;
    case "state":
      return item.message ?? "";
    case "artifact":
      return JSON.stringify(item.artifact.data ?? "");
    case "execution":
      return item.reason ?? "";
    case "compaction":
      return "";
  }
}

/** find lists the places of the items that hold a text, whatever the case. */
export function find(items: Item[], text: string): number[] {
  const sought = text.trim().toLowerCase();
  if (!sought) return [];
  return items.flatMap((item, i) => (words(item).toLowerCase().includes(sought) ? [i] : []));
}

const working = new Set(["QUEUED", "PENDING", "CLAIMED", "INPROGRESS"]);

/** shows leaves out what a reader would see nothing of: moves between working states, and the first start. */
export function shows(item: Item): boolean {
  if (item.kind === "state") return !working.has(item.to);
  return item.kind !== "execution" || item.event !== "started" || item.number > 1;
}
