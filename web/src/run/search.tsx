import { ChevronDown, ChevronUp, Search, X } from "lucide-react";
import { useEffect, useRef } from "react";
import { IconButton } from "@/ui/button";

interface Props {
  text: string;
  change: (text: string) => void;
  found: number;
  at: number;
  go: (step: 1 | -1) => void;
  /** loading says that earlier parts of the session are still being read. */
  loading: boolean;
  close: () => void;
}

/** Finder searches the whole session, however much of it is on the page. */
export function Finder({ text, change, found, at, go, loading, close }: Props) {
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => box.current?.focus(), []);
  return (
    <search className="flex shrink-0 items-center gap-1 border-b bg-panel px-3 py-1.5 sm:px-5">
      <Search className="size-4 shrink-0 text-faint" />
      <input
        ref={box}
        type="search"
        aria-label="Search this session"
        placeholder="Search this session"
        value={text}
        onChange={(e) => change(e.target.value)}
        onKeyDown={(e) => {
          if (e.key === "Escape") close();
          if (e.key === "Enter") {
            e.preventDefault();
            go(e.shiftKey ? -1 : 1);
          }
        }}
        className="h-8 min-w-0 flex-1 bg-transparent px-1.5 outline-none placeholder:text-faint"
      />
      <span role="status" className="shrink-0 text-xs text-faint tabular-nums">
        {text.trim() && (found ? `${at + 1} of ${found}` : loading ? "" : "Nothing found")}
        {loading && " reading…"}
      </span>
      <IconButton label="Earlier" keys="shift+enter" disabled={!found} onClick={() => go(-1)}>
        <ChevronUp />
      </IconButton>
      <IconButton label="Later" keys="enter" disabled={!found} onClick={() => go(1)}>
        <ChevronDown />
      </IconButton>
      <IconButton label="Close the search" onClick={close}>
        <X />
      </IconButton>
    </search>
  );
}
