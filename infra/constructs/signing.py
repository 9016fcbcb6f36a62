"""Code signing: Lambda accepts only code that certain profiles of AWS Signer have signed."""

from __future__ import annotations

from aws_cdk.aws_lambda import CfnCodeSigningConfig, CfnFunction, Function
from constructs import Construct

from infra.settings import StackSettings


def code_signing(scope: Construct, settings: StackSettings) -> CfnCodeSigningConfig | None:
    """Return the rule that Lambda refuses functions and layers which the profiles did not sign.

    Without profiles in the settings there is none.
    """
    if not settings.code_signing:
        return None
    return CfnCodeSigningConfig(
        scope,
        "CodeSigning",
        description=f"Functions of {settings.stack}",
        allowed_publishers=CfnCodeSigningConfig.AllowedPublishersProperty(
            signing_profile_version_arns=list(settings.code_signing)
        ),
        code_signing_policies=CfnCodeSigningConfig.CodeSigningPoliciesProperty(
            untrusted_artifact_on_deployment="Enforce"
        ),
    )


def require_signature(function: Function, rule: CfnCodeSigningConfig) -> None:
    """Apply the rule to a function's code and to its layers."""
    resource = function.node.default_child
    assert isinstance(resource, CfnFunction)
    resource.code_signing_config_arn = rule.attr_code_signing_config_arn
