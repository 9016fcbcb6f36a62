import { t } from "../i18n";

/** Say that an answer has another form than the server's; Amazon's SDK keeps the answer itself. */
function foreign(error: Error): string {
  const { $response } = error as { $response?: { statusCode?: number } };
  return t("error.foreign", { status: String($response?.statusCode ?? "–") });
}

/** Return an error as a sentence for people: what happened, and what to do where that is known. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, name } = error;
  switch (name) {
    case "AccessDenied":
    case "AccessDeniedException":
      return message.includes("read-only") ? t("error.readOnly") : message;
    case "IncompleteSignatureException":
    case "InvalidAccessKeyId":
    case "UnrecognizedClientException":
      return t("error.key");
    case "InvalidSignatureException":
    case "SignatureDoesNotMatch":
      // A clock that is wrong is said in the message, which else quotes the whole request.
      return /expired|current|clock/i.test(message) ? message : t("error.key");
    case "ThrottlingException":
    case "ProvisionedThroughputExceededException":
      return t("error.busy");
    case "ImageTooLargeException":
      return t("error.imageTooLarge");
    case "InvalidImageFormatException":
      return t("error.imageFormat");
    case "SyntaxError":
      return foreign(error);
    case "TypeError":
      // What fetch raises if no server answers.
      return t("error.unreachable");
    case "Updated":
      return t("error.updated");
    default:
      return message || name;
  }
}
