/** Raised for code that the server no longer has: its console is another one than this tab's. */
export class Updated extends Error {
  override name = "Updated";
}

/** Load a part of the console; raise `Updated` if it is not there because of an update. */
export async function code<Module>(load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    if (await isUpdated()) throw new Updated();
    throw error;
  }
}

/** Return whether the server's page starts another script than this tab's, whose name has a hash. */
async function isUpdated(): Promise<boolean> {
  const script = document.querySelector<HTMLScriptElement>("script[type=module]");
  try {
    const answer = await fetch("index.html", { cache: "no-store" });
    return answer.ok && !(await answer.text()).includes(script!.getAttribute("src")!);
  } catch {
    return false;
  }
}
