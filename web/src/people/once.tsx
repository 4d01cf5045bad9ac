import { Copy } from "lucide-react";
import { IconButton } from "@/ui/button";
import { copy } from "@/ui/copy";

/** Once shows a secret that nobody can show again. */
export function Once({ label, value, hint }: { label: string; value: string; hint: string }) {
  return (
    <div className="space-y-1.5">
      <p className="text-[13px] font-medium text-dim">{label}</p>
      <div className="flex items-center gap-1 rounded-lg border bg-ground py-1 pr-1 pl-3">
        <code className="min-w-0 flex-1 font-mono text-[13px] break-all">{value}</code>
        <IconButton label="Copy" onClick={() => copy(value)}>
          <Copy />
        </IconButton>
      </div>
      <p className="text-xs text-faint">{hint}</p>
    </div>
  );
}
