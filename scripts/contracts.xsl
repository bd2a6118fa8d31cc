<?xml version="1.0" encoding="UTF-8"?>
<!-- For check-contracts.sh: lists of what Doxygen's XML has of the header's functions. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="text"/>
  <xsl:param name="what"/>

  <xsl:template match="/">
    <xsl:variable name="functions"
      select="/doxygen/compounddef/sectiondef/memberdef[@kind='function']"/>
    <xsl:variable name="citations" select="$functions/detaileddescription
      //simplesect[@kind='see']/para[starts-with(., 'spec: ')]"/>
    <xsl:choose>
      <xsl:when test="$what = 'functions'">
        <xsl:apply-templates select="$functions/name"/>
      </xsl:when>
      <xsl:when test="$what = 'undescribed'">
        <xsl:apply-templates select="$functions[not(normalize-space(briefdescription)) or
          .//parameterlist[@kind='param']//parameterdescription[not(normalize-space())]]/name"/>
        <!-- Doxygen does not count the parameters of callbacks. -->
        <xsl:apply-templates select="/doxygen/compounddef/sectiondef
          /memberdef[@kind='typedef'][contains(type, '(*')][count(.//parameteritem) !=
          string-length(argsstring) - string-length(translate(argsstring, ',', '')) + 1]/name"/>
      </xsl:when>
      <xsl:when test="$what = 'uncited'">
        <xsl:apply-templates select="$functions[not(.//simplesect/para = $citations)]/name"/>
      </xsl:when>
      <xsl:when test="$what = 'citations'">
        <xsl:for-each select="$citations">
          <!-- After a semicolon it may say more. -->
          <xsl:variable name="part" select="substring-before(concat(., ';'), ';')"/>
          <xsl:value-of select="normalize-space(substring-after($part, 'spec: '))"/>
          <xsl:text>&#10;</xsl:text>
        </xsl:for-each>
      </xsl:when>
    </xsl:choose>
  </xsl:template>

  <xsl:template match="name">
    <xsl:value-of select="concat(., '&#10;')"/>
  </xsl:template>
</xsl:stylesheet>
