import { expect, test } from "vitest";
import { parser } from "./stream";

function read(...chunks: string[]) {
  const heard: [string, string, string][] = [];
  const parse = parser((event, data, id) => heard.push([event, data, id]));
  for (const chunk of chunks) parse(chunk);
  return heard;
}

test("events are read wherever the network cuts them", () => {
  const text = 'id: 7\nevent: entry\ndata: {"seq":7}\n\n: \n\nevent: delta\ndata: {"text":"a"}\n\ndata: one\ndata: two\r\n\r\n';
  const whole = read(text);
  expect(whole).toEqual([
    ["entry", '{"seq":7}', "7"],
    ["delta", '{"text":"a"}', ""],
    ["message", "one\ntwo", ""],
  ]);
  for (let cut = 1; cut < text.length; cut++) expect(read(text.slice(0, cut), text.slice(cut))).toEqual(whole);
});

test("what is not finished is not told", () => {
  expect(read("event: entry\ndata: {", '"seq":1}\n')).toEqual([]);
});
