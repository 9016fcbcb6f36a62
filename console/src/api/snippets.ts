import { config, endpoint } from "../config";
import { Photo, type Call } from "./calls";

export const LANGUAGES = ["aws", "boto3", "JavaScript"] as const;
export type Language = (typeof LANGUAGES)[number];

/** Return a call as a program in a language, ready to copy. */
export function snippet(call: Call, language: Language): string {
  if (language === "aws") return shell(call);
  return language === "boto3" ? python(call) : javascript(call);
}

const PHOTOS = ["photo.jpg", "other.jpg"];

function shell({ operation, input }: Call): string {
  const photos = [...PHOTOS];
  const words = [`aws rekognition ${kebab(operation)}`];
  for (const [name, value] of Object.entries(input)) {
    if (holdsPhoto(value)) words.push(`--${kebab(name)}-bytes fileb://${photos.shift()}`);
    else if (value === true) words.push(`--${kebab(name)}`);
    else if (value === false) words.push(`--no-${kebab(name)}`);
    else words.push(`--${kebab(name)} ${quoted(shorthand(value))}`);
  }
  return `export AWS_ENDPOINT_URL_REKOGNITION=${endpoint()} AWS_DEFAULT_REGION=${config().region}\n${words.join(" \\\n    ")}`;
}

// An option of the AWS CLI that takes strings, or JSON for all else.
function shorthand(value: unknown): string {
  if (typeof value === "string") return value;
  return JSON.stringify(value);
}

const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

function holdsPhoto(value: unknown): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    (value as { Bytes?: unknown }).Bytes instanceof Photo
  );
}

function python({ operation, input }: Call): string {
  const photos = [...PHOTOS];
  const literal = (value: unknown): string => {
    if (value instanceof Photo) return `Path("${photos.shift()}").read_bytes()`;
    if (value === true) return "True";
    if (value === false) return "False";
    if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
    if (typeof value === "object" && value !== null) {
      return `{${Object.entries(value)
        .map(([name, each]) => `${JSON.stringify(name)}: ${literal(each)}`)
        .join(", ")}}`;
    }
    return JSON.stringify(value);
  };
  const lines = Object.entries(input).map(([name, value]) => `    ${name}=${literal(value)},\n`);
  const body = lines.length ? `(\n${lines.join("")})` : "()";
  const reads = body.includes("Path(") ? "from pathlib import Path\n\n" : "";
  return `${reads}import boto3

rekognition = boto3.client("rekognition", endpoint_url="${endpoint()}", region_name="${config().region}")
answer = rekognition.${snake(operation)}${body}`;
}

function javascript({ operation, input }: Call): string {
  const photos = [...PHOTOS];
  const literal = (value: unknown, indent: string): string => {
    if (value instanceof Photo) return `await readFile("${photos.shift()}")`;
    if (Array.isArray(value)) return `[${value.map((each) => literal(each, indent)).join(", ")}]`;
    if (typeof value === "object" && value !== null) {
      const entries = Object.entries(value);
      if (!entries.length) return "{}";
      const deeper = `${indent}  `;
      return `{\n${entries.map(([name, each]) => `${deeper}${name}: ${literal(each, deeper)},\n`).join("")}${indent}}`;
    }
    return JSON.stringify(value);
  };
  const body = literal(input, "");
  const reads = body.includes("readFile(") ? 'import { readFile } from "node:fs/promises";\n' : "";
  return `${reads}import { RekognitionClient, ${operation}Command } from "@aws-sdk/client-rekognition";

const client = new RekognitionClient({ endpoint: "${endpoint()}", region: "${config().region}" });
const answer = await client.send(new ${operation}Command(${body}));`;
}

const words = (name: string): string[] => name.match(/[A-Z]+(?![a-z])|[A-Z][a-z0-9]*/g) ?? [name];
const kebab = (name: string): string => words(name).join("-").toLowerCase();
const snake = (name: string): string => words(name).join("_").toLowerCase();
