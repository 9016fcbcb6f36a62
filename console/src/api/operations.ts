import type { Command } from "@smithy/types";
import {
  AssociateFacesCommand,
  CompareFacesCommand,
  CreateCollectionCommand,
  CreateStreamProcessorCommand,
  CreateUserCommand,
  DeleteCollectionCommand,
  DeleteFacesCommand,
  DeleteStreamProcessorCommand,
  DeleteUserCommand,
  DescribeCollectionCommand,
  DescribeStreamProcessorCommand,
  DetectFacesCommand,
  DisassociateFacesCommand,
  GetFaceSearchCommand,
  IndexFacesCommand,
  ListCollectionsCommand,
  ListFacesCommand,
  ListStreamProcessorsCommand,
  ListTagsForResourceCommand,
  ListUsersCommand,
  SearchFacesByImageCommand,
  SearchFacesCommand,
  SearchUsersByImageCommand,
  StartFaceSearchCommand,
  StartStreamProcessorCommand,
  StopStreamProcessorCommand,
  TagResourceCommand,
  UntagResourceCommand,
} from "@aws-sdk/client-rekognition";
import { rekognition } from "./session";
import { note } from "./calls";
import { failed } from "./errors";

/** The operations that the console calls. Bundling a command costs a few hundred bytes. */
const commands = {
  AssociateFaces: AssociateFacesCommand,
  CompareFaces: CompareFacesCommand,
  CreateCollection: CreateCollectionCommand,
  CreateStreamProcessor: CreateStreamProcessorCommand,
  CreateUser: CreateUserCommand,
  DeleteCollection: DeleteCollectionCommand,
  DeleteFaces: DeleteFacesCommand,
  DeleteStreamProcessor: DeleteStreamProcessorCommand,
  DeleteUser: DeleteUserCommand,
  DescribeCollection: DescribeCollectionCommand,
  DescribeStreamProcessor: DescribeStreamProcessorCommand,
  DetectFaces: DetectFacesCommand,
  DisassociateFaces: DisassociateFacesCommand,
  GetFaceSearch: GetFaceSearchCommand,
  IndexFaces: IndexFacesCommand,
  ListCollections: ListCollectionsCommand,
  ListFaces: ListFacesCommand,
  ListStreamProcessors: ListStreamProcessorsCommand,
  ListTagsForResource: ListTagsForResourceCommand,
  ListUsers: ListUsersCommand,
  SearchFaces: SearchFacesCommand,
  SearchFacesByImage: SearchFacesByImageCommand,
  SearchUsersByImage: SearchUsersByImageCommand,
  StartFaceSearch: StartFaceSearchCommand,
  StartStreamProcessor: StartStreamProcessorCommand,
  StopStreamProcessor: StopStreamProcessorCommand,
  TagResource: TagResourceCommand,
  UntagResource: UntagResourceCommand,
} as const;

export type Operation = keyof typeof commands;
export type Input<Name extends Operation> = NonNullable<
  ConstructorParameters<(typeof commands)[Name]>[0]
>;
export type Output<Name extends Operation> =
  InstanceType<(typeof commands)[Name]> extends Command<any, any, any, infer Answer, any>
    ? Answer
    : never;

interface Options {
  /** Ends the request. */
  signal?: AbortSignal;
  /** Leave the request out of the page's list of calls: polls, and one of many alike. */
  quiet?: boolean;
  /** The name of an error that the caller handles: it is not among the errors of this tab. */
  handles?: string;
}

/** Call an operation, and note it for the page's "The same call". */
export async function call<Name extends Operation>(
  name: Name,
  input: Input<Name>,
  { signal, quiet = false, handles }: Options = {},
): Promise<Output<Name>> {
  if (!quiet) note(name, input);
  // TypeScript cannot relate the members of two unions by the same name.
  const command = new (commands[name] as unknown as new (input: Input<Name>) => never)(input);
  const options = signal ? { abortSignal: signal } : {};
  const sent = rekognition.value.send(command, options) as Promise<Output<Name>>;
  return sent.catch((error: unknown) => {
    if (handles && error instanceof Error && error.name === handles) throw error;
    return failed(name, error);
  });
}

/** Yield the pages of a list. */
export async function* pages<
  Name extends "ListCollections" | "ListFaces" | "ListUsers" | "ListStreamProcessors",
>(name: Name, input: Input<Name>, options: Options = {}): AsyncGenerator<Output<Name>> {
  let next: string | undefined;
  let quiet = options.quiet ?? false;
  do {
    const page = await call(name, { ...input, NextToken: next } as Input<Name>, {
      ...options,
      quiet,
    });
    quiet = true;
    yield page;
    next = (page as { NextToken?: string }).NextToken;
  } while (next);
}
