import { memo } from "react";
import Markdown, { type Components } from "react-markdown";
import gfm from "remark-gfm";

const parts: Components = {
  // Links open elsewhere and learn nothing of this page. Other schemes than these lose their address.
  a: ({ href, children }) =>
    href ? (
      <a href={href} target="_blank" rel="noopener noreferrer nofollow" className="text-accent-text underline decoration-accent/40 hover:decoration-accent">
        {children}
      </a>
    ) : (
      <span>{children}</span>
    ),
  // An image would make the viewer's browser call whatever address the agent wrote.
  img: ({ src, alt }) => <span className="text-dim">[image: {alt || String(src)}]</span>,
  pre: ({ children }) => <pre tabIndex={0} className="my-2 overflow-x-auto rounded-lg border bg-panel px-3 py-2 font-mono text-[12.5px] leading-relaxed">{children}</pre>,
  code: ({ children }) => <code className="rounded bg-hover px-1 py-px font-mono text-[0.9em] [pre_&]:bg-transparent [pre_&]:p-0">{children}</code>,
  table: ({ children }) => (
    <div className="my-2 overflow-x-auto">
      <table className="text-[13px] [&_td]:border [&_td]:px-2.5 [&_td]:py-1 [&_th]:border [&_th]:bg-panel [&_th]:px-2.5 [&_th]:py-1 [&_th]:text-left">{children}</table>
    </div>
  ),
  ul: ({ children }) => <ul className="my-1.5 list-disc space-y-0.5 pl-5">{children}</ul>,
  ol: ({ children }) => <ol className="my-1.5 list-decimal space-y-0.5 pl-5">{children}</ol>,
  h1: ({ children }) => <h3 className="mt-3 mb-1 text-base font-semibold">{children}</h3>,
  h2: ({ children }) => <h3 className="mt-3 mb-1 text-[15px] font-semibold">{children}</h3>,
  h3: ({ children }) => <h4 className="mt-2.5 mb-1 font-semibold">{children}</h4>,
  blockquote: ({ children }) => <blockquote className="my-2 border-l-2 border-strong pl-3 text-dim">{children}</blockquote>,
  hr: () => <hr className="my-3" />,
};

const plugins = [gfm];

/** Rich draws what an agent or a person wrote as Markdown. HTML in it stays text, addresses are of the web
 * or of mail only (react-markdown's own rule). */
export const Rich = memo(function Rich({ text }: { text: string }) {
  return (
    <div className="min-w-0 wrap-anywhere [&_p]:my-1.5 [&>:first-child]:mt-0 [&>:last-child]:mb-0">
      <Markdown remarkPlugins={plugins} components={parts} skipHtml={false}>
        {text}
      </Markdown>
    </div>
  );
});
