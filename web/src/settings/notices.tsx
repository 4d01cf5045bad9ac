import { useState } from "react";
import { type Kind, kinds } from "@/notices/notice";
import { useWishes, wish } from "@/notices/wishes";
import { Section } from "./section";

const names: Record<Kind, [string, string]> = {
  request: ["It needs me", "An agent asks a question, proposes a plan or wants permission"],
  complete: ["It is done", "A run ended well"],
  error: ["It failed", "A run ended with a failure"],
};

type Permission = NotificationPermission | "impossible";

const permission = (): Permission => ("Notification" in window ? Notification.permission : "impossible");

/** Notices chooses what one is told of, and asks the browser once something is chosen. */
export function Notices() {
  const wishes = useWishes();
  const [may, setMay] = useState<Permission>(permission());
  const choose = (kind: Kind, on: boolean) => {
    wish({ ...wishes, kinds: kinds.filter((k) => (k === kind ? on : wishes.kinds.includes(k))) });
    if (on && permission() === "default") void Notification.requestPermission().then(setMay);
  };
  return (
    <Section title="Notifications" hint="Kept in this browser, while the console is open in it">
      <div className="space-y-3">
        {kinds.map((kind) => (
          <Switch key={kind} label={names[kind][0]} hint={names[kind][1]} on={wishes.kinds.includes(kind)} turn={(on) => choose(kind, on)} />
        ))}
        <Switch label="Also of other people's runs" hint="Of all runs you may see" on={wishes.everybody} turn={(everybody) => wish({ ...wishes, everybody })} />
      </div>
      {wishes.kinds.length > 0 && may !== "granted" && (
        <p className="mt-4 text-[13px] text-wait">
          {may === "denied"
            ? "This browser does not let the console notify you: allow it in the settings of this site. On the page you are told all the same."
            : may === "impossible"
              ? "This browser has no notifications. On the page you are told all the same."
              : "Allow notifications when the browser asks. On the page you are told all the same."}
        </p>
      )}
    </Section>
  );
}

function Switch({ label, hint, on, turn }: { label: string; hint: string; on: boolean; turn: (on: boolean) => void }) {
  return (
    <label className="flex cursor-pointer items-center gap-4">
      <span className="min-w-0 flex-1">
        <span className="block">{label}</span>
        <span className="block text-[13px] text-dim">{hint}</span>
      </span>
      <input type="checkbox" role="switch" checked={on} onChange={(e) => turn(e.target.checked)} className="peer sr-only" />
      <span aria-hidden className="h-5.5 w-9.5 shrink-0 rounded-full border border-strong bg-hover p-0.5 transition-colors peer-checked:border-accent peer-checked:bg-accent peer-checked:[&>span]:translate-x-4 peer-focus-visible:outline-2 peer-focus-visible:outline-offset-2 peer-focus-visible:outline-accent">
        <span className="block size-4 rounded-full bg-white shadow transition-transform" />
      </span>
    </label>
  );
}
