import { Link } from "@tanstack/react-router";
import { Compass } from "lucide-react";
import { Empty } from "@/ui/empty";

export function Missing() {
  return (
    <Empty icon={<Compass />} title="There is nothing here" action={<Link to="/runs" className="text-accent-text hover:underline">All runs</Link>}>
      The page may have been deleted, or you may not be allowed to see it.
    </Empty>
  );
}
