import { lazy, memo, Suspense } from "react";

/** The part that reads Markdown comes after the page, which begins to show words without it. */
const loading = import("./rich");
const Rich = lazy(() => loading.then(({ Rich }) => ({ default: Rich })));

/** Prose is what a person or an agent wrote: its plain text at first, its Markdown as soon as that can be read. */
export const Prose = memo(function Prose({ text }: { text: string }) {
  return (
    <Suspense fallback={<p className="wrap-anywhere whitespace-pre-wrap">{text}</p>}>
      <Rich text={text} />
    </Suspense>
  );
});
