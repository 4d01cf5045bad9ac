import { api, must, type Schema } from "@/api/client";

export type Secret = Schema<"Secret">;
export type SecretType = Schema<"SecretType">;

export const secrets = {
  queryKey: ["secrets"],
  queryFn: () => must(api.GET("/secrets")),
};

export const uses = (secretUid: string) => ({
  queryKey: ["secrets", secretUid, "uses"],
  queryFn: () => must(api.GET("/secrets/{secretUid}/uses", { params: { path: { secretUid }, query: { limit: 50 } } })),
});

/** Part is a member of a secret's value. */
export type Part = keyof Schema<"SecretValue">;

interface Kind {
  label: string;
  /** hint says who gets it, and as what. */
  hint: string;
  parts: [Part, string, { optional?: boolean; lines?: boolean; open?: boolean }?][];
}

/** kinds is what each type of secret is called and made of. */
export const kinds: Record<SecretType, Kind> = {
  RAW_VALUE: { label: "Variable", hint: "Runs get it as the environment variable of its name", parts: [["value", "Value", { lines: true }]] },
  FILE: { label: "File", hint: "Runs get a file; the variable of its name holds the path", parts: [["value", "Content", { lines: true }]] },
  ANTHROPIC_API_KEY: { label: "Anthropic key", hint: "Pays for model calls; no sandbox gets it", parts: [["api_key", "Key"]] },
  OPENAI_API_KEY: {
    label: "OpenAI key",
    hint: "Pays for model calls; no sandbox gets it",
    parts: [
      ["api_key", "Key"],
      ["base_url", "Endpoint", { optional: true, open: true }],
    ],
  },
  ANTHROPIC_BEDROCK_ACCESS_KEY: {
    label: "Bedrock access key",
    hint: "Pays for model calls; no sandbox gets it",
    parts: [
      ["aws_access_key_id", "Access key id"],
      ["aws_secret_access_key", "Secret access key"],
      ["aws_session_token", "Session token", { optional: true }],
      ["aws_region", "Region", { open: true }],
    ],
  },
  ANTHROPIC_BEDROCK_API_KEY: {
    label: "Bedrock API key",
    hint: "Pays for model calls; no sandbox gets it",
    parts: [
      ["aws_bearer_token_bedrock", "Bearer token"],
      ["aws_region", "Region", { open: true }],
    ],
  },
};
