import { t } from "../i18n";

/** Return an error as a sentence for people: what happened, and what to do where that is known. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  switch (error.name) {
    case "AccessDeniedException":
    case "UnrecognizedClientException":
    case "InvalidSignatureException":
      return `${t("error.key")} ${error.message}`;
    case "ThrottlingException":
    case "ProvisionedThroughputExceededException":
      return t("error.busy");
    case "ImageTooLargeException":
      return t("error.imageTooLarge");
    case "InvalidImageFormatException":
      return t("error.imageFormat");
    case "TypeError":
      // What fetch raises if no server answers.
      return t("error.unreachable");
    default:
      return error.message || error.name;
  }
}
