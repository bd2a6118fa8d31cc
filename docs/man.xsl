<?xml version="1.0" encoding="UTF-8"?>
<!--
  Man pages from Doxygen's XML of the headers in include/: one for each function, callback and
  struct, and one for each header, dgram.3 for dgram.h. (Doxygen's own are a single page a header,
  by many names.)

  Its input is all of that XML in one document, as Doxygen's combine.xslt makes it. See groff_man(7)
  and man-pages(7) for the output.
-->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
  xmlns:exsl="http://exslt.org/common" xmlns:str="http://exslt.org/strings"
  extension-element-prefixes="exsl str">
  <xsl:output method="text"/>
  <xsl:param name="folder"/> <!-- where to write, with a slash at the end -->

  <xsl:variable name="files" select="/doxygen/compounddef[@kind='file']"/>
  <xsl:variable name="all" select="$files/sectiondef/memberdef"/>
  <xsl:variable name="functions" select="$all[@kind='function']"/>
  <xsl:variable name="callbacks" select="$all[@kind='typedef'][contains(type, '(*')]"/>
  <xsl:variable name="structs" select="/doxygen/compounddef[@kind='struct']"/>
  <xsl:variable name="version" select="concat($all[name='DGRAM_VERSION_MAJOR']/initializer, '.',
    $all[name='DGRAM_VERSION_MINOR']/initializer, '.',
    $all[name='DGRAM_VERSION_PATCH']/initializer)"/>

  <xsl:template match="/">
    <xsl:for-each select="$functions | $callbacks | $structs">
      <xsl:call-template name="page">
        <xsl:with-param name="name" select="name | compoundname"/>
        <xsl:with-param name="content"><xsl:call-template name="member"/></xsl:with-param>
      </xsl:call-template>
    </xsl:for-each>
    <xsl:for-each select="$files">
      <xsl:call-template name="page">
        <xsl:with-param name="name"><xsl:call-template name="overview-name"/></xsl:with-param>
        <xsl:with-param name="content"><xsl:call-template name="overview"/></xsl:with-param>
      </xsl:call-template>
    </xsl:for-each>
  </xsl:template>

  <xsl:template name="page">
    <xsl:param name="name"/>
    <xsl:param name="content"/>
    <exsl:document href="{$folder}{$name}.3" method="text" encoding="UTF-8">
      <xsl:value-of select="concat('.\&quot; Made from ', location/@file, '. Edit that.&#10;.TH ')"/>
      <xsl:value-of select="concat($name, ' 3 &quot;&quot; &quot;libdgram ', $version)"/>
      <xsl:text>" libdgram&#10;.nh&#10;.ad l</xsl:text> <!-- names must not be hyphenated -->
      <xsl:value-of select="$content"/>
      <xsl:text>&#10;</xsl:text>
    </exsl:document>
  </xsl:template>

  <!-- ==== the page of one function, callback or struct ==== -->

  <xsl:template name="member">
    <xsl:variable name="self" select="@id"/>
    <xsl:variable name="group" select="parent::sectiondef[@kind='user-defined']"/>
    <xsl:variable name="references" select=".//ref/@refid | $group/description//ref/@refid"/>
    <xsl:variable name="results" select="detaileddescription//parameterlist[@kind='retval']/* |
                                         detaileddescription//simplesect[@kind='return']"/>
    <xsl:variable name="spec" select="detaileddescription//simplesect[@kind='see']/para"/>

    <xsl:text>&#10;.SH NAME&#10;</xsl:text>
    <xsl:value-of select="concat(name | compoundname, ' \- ')"/>
    <xsl:call-template name="brief"/>

    <xsl:call-template name="include"/>
    <xsl:apply-templates select="." mode="synopsis"/>

    <xsl:text>&#10;.SH DESCRIPTION</xsl:text>
    <xsl:apply-templates select="briefdescription | detaileddescription" mode="blocks"/>
    <xsl:if test="$group/description/para">
      <xsl:text>&#10;.SS </xsl:text>
      <xsl:value-of select="$group/header"/>
      <xsl:apply-templates select="$group/description" mode="blocks"/>
    </xsl:if>

    <xsl:if test="detaileddescription//parameterlist[@kind='param']">
      <xsl:text>&#10;.SH PARAMETERS</xsl:text>
      <xsl:for-each select="detaileddescription//parameterlist[@kind='param']/parameteritem">
        <xsl:call-template name="item">
          <xsl:with-param name="tag">
            <xsl:value-of select="concat('\fI', .//parametername, '\fR')"/>
            <xsl:if test=".//parametername/@direction = 'out'"> (out)</xsl:if>
          </xsl:with-param>
          <xsl:with-param name="text" select="parameterdescription/para"/>
        </xsl:call-template>
      </xsl:for-each>
    </xsl:if>

    <xsl:if test="self::compounddef">
      <xsl:text>&#10;.SH MEMBERS</xsl:text>
      <xsl:for-each select="sectiondef/memberdef">
        <xsl:call-template name="item">
          <xsl:with-param name="tag" select="concat('\fI', name, '\fR')"/>
          <xsl:with-param name="text" select="briefdescription/para | detaileddescription/para"/>
        </xsl:call-template>
      </xsl:for-each>
    </xsl:if>

    <xsl:if test="$results">
      <xsl:text>&#10;.SH RETURN VALUE</xsl:text>
      <xsl:for-each select="$results/self::parameteritem">
        <xsl:call-template name="item">
          <xsl:with-param name="tag" select="concat('\fB', .//parametername, '\fR')"/>
          <xsl:with-param name="text" select="parameterdescription/para"/>
          <!-- What needs no words in the header. -->
          <xsl:with-param name="default">
            <xsl:choose>
              <xsl:when test=".//parametername = '0'">success</xsl:when>
              <xsl:when test=".//parametername = 'UV_ENOMEM'">no memory</xsl:when>
            </xsl:choose>
          </xsl:with-param>
        </xsl:call-template>
      </xsl:for-each>
      <xsl:apply-templates select="$results/self::simplesect" mode="blocks"/>
    </xsl:if>

    <xsl:text>&#10;.SH SEE ALSO</xsl:text>
    <xsl:for-each select="($functions | $callbacks | $structs)[@id != $self][@id = $references or
                            not($functions[@id = $self]) and .//ref/@refid = $self]">
      <xsl:sort select="name | compoundname"/>
      <xsl:value-of select="concat('&#10;.BR ', name | compoundname, ' (3),')"/>
    </xsl:for-each>
    <xsl:text>&#10;.BR </xsl:text>
    <xsl:call-template name="overview-name"/>
    <xsl:text> (3)</xsl:text>
    <xsl:if test="$spec">
      <xsl:text>&#10;.PP&#10;In the documentation of Node.js: </xsl:text>
      <xsl:call-template name="text">
        <xsl:with-param name="nodes" select="str:replace($spec, 'spec: ', '')"/>
      </xsl:call-template>
    </xsl:if>
  </xsl:template>

  <!-- Declarations wrap between parameters, never inside one. -->
  <xsl:template match="memberdef" mode="synopsis">
    <xsl:text>&#10;.PP&#10;.in +4n&#10;.ti -4n&#10;\fB</xsl:text>
    <xsl:choose>
      <xsl:when test="@kind='typedef'">
        <xsl:value-of select="concat('typedef ', substring-before(type, '(*'), ' (*', name, ')')"/>
        <xsl:value-of select="str:replace(str:replace(substring-after(argsstring, ')'),
                                                      ' ', '\~'), ',\~', ', ')"/>
      </xsl:when>
      <xsl:otherwise>
        <xsl:if test="@static='yes'">static inline </xsl:if>
        <xsl:call-template name="declaration"/>
        <xsl:text>(</xsl:text>
        <xsl:for-each select="param">
          <xsl:call-template name="declaration"/>
          <xsl:if test="position() != last()">, </xsl:if>
        </xsl:for-each>
        <xsl:text>)</xsl:text>
      </xsl:otherwise>
    </xsl:choose>
    <xsl:text>;\fR&#10;.in</xsl:text>
  </xsl:template>

  <xsl:template match="compounddef" mode="synopsis">
    <xsl:text>&#10;.PP&#10;.nf&#10;.B typedef struct {</xsl:text>
    <xsl:for-each select="sectiondef/memberdef">
      <xsl:text>&#10;\fB    </xsl:text>
      <xsl:call-template name="declaration"/>
      <xsl:text>;\fR</xsl:text>
    </xsl:for-each>
    <xsl:value-of select="concat('&#10;.B } ', compoundname, ';&#10;.fi')"/>
  </xsl:template>

  <!-- TYPE NAME; a parameter's or member's name in italics. -->
  <xsl:template name="declaration">
    <xsl:variable name="type" select="normalize-space(type)"/>
    <xsl:value-of select="str:replace($type, ' ', '\~')"/>
    <xsl:if test="(name | declname) and substring($type, string-length($type)) != '*'">\~</xsl:if>
    <xsl:choose>
      <xsl:when test="self::memberdef[@kind='function']"><xsl:value-of select="name"/></xsl:when>
      <xsl:when test="name | declname">
        <xsl:value-of select="concat('\fI', name | declname, '\fB', array, argsstring)"/>
      </xsl:when>
    </xsl:choose>
  </xsl:template>

  <!-- The beginning of a synopsis. -->
  <xsl:template name="include">
    <xsl:text>&#10;.SH SYNOPSIS&#10;.B #include &lt;</xsl:text>
    <xsl:value-of select="concat(location/@file, '&gt;')"/>
  </xsl:template>

  <!-- ==== the page of a header ==== -->

  <xsl:template name="overview-name">
    <xsl:value-of select="substring-before(location/@file, '.h')"/>
  </xsl:template>

  <xsl:template name="overview">
    <xsl:variable name="header" select="location/@file"/>
    <xsl:variable name="own" select="sectiondef/memberdef"/>
    <xsl:text>&#10;.SH NAME&#10;</xsl:text>
    <xsl:call-template name="overview-name"/>
    <xsl:text> \- </xsl:text>
    <xsl:call-template name="brief"/>
    <xsl:call-template name="include"/>
    <xsl:text>&#10;.PP&#10;.B cc server.c $(pkg\-config \-\-cflags \-\-libs libdgram)</xsl:text>
    <xsl:text>&#10;.SH DESCRIPTION</xsl:text>
    <xsl:apply-templates select="briefdescription | detaileddescription" mode="blocks"/>
    <xsl:text>&#10;.SH FUNCTIONS</xsl:text>
    <xsl:for-each select="sectiondef[memberdef/@kind='function']">
      <xsl:value-of select="concat('&#10;.SS ', header)"/>
      <xsl:if test="not(header)">Options</xsl:if>
      <xsl:apply-templates select="memberdef[@kind='function']" mode="index"/>
    </xsl:for-each>
    <xsl:call-template name="index">
      <xsl:with-param name="title">CALLBACKS</xsl:with-param>
      <xsl:with-param name="members" select="$callbacks[location/@file = $header]"/>
    </xsl:call-template>
    <xsl:call-template name="index">
      <xsl:with-param name="title">TYPES</xsl:with-param>
      <xsl:with-param name="members" select="$structs[location/@file = $header] |
        $own[@kind='enum'] | $own[@kind='typedef'][not(contains(type, '(*'))]"/>
    </xsl:call-template>
    <xsl:call-template name="index">
      <xsl:with-param name="title">CONSTANTS</xsl:with-param>
      <xsl:with-param name="members" select="$own[@kind='define'] | $own/enumvalue"/>
    </xsl:call-template>
    <xsl:text>&#10;.SH SEE ALSO</xsl:text>
    <xsl:for-each select="$files[location/@file != $header]">
      <xsl:text>&#10;.BR </xsl:text>
      <xsl:call-template name="overview-name"/>
      <xsl:text> (3),</xsl:text>
    </xsl:for-each>
    <xsl:text>&#10;https://nodejs.org/api/dgram.html, https://docs.libuv.org</xsl:text>
  </xsl:template>

  <!-- A section that lists members, if there are any. -->
  <xsl:template name="index">
    <xsl:param name="title"/>
    <xsl:param name="members"/>
    <xsl:if test="$members">
      <xsl:value-of select="concat('&#10;.SH ', $title)"/>
      <xsl:apply-templates select="$members" mode="index"/>
    </xsl:if>
  </xsl:template>

  <xsl:template match="*" mode="index">
    <xsl:call-template name="item">
      <xsl:with-param name="tag">
        <xsl:value-of select="concat('\fB', name | compoundname, '\fR')"/>
        <xsl:if test="@id = ($functions | $callbacks | $structs)/@id">(3)</xsl:if>
        <xsl:if test="self::enumvalue">
          <xsl:value-of select="concat(' ', normalize-space(initializer))"/>
        </xsl:if>
      </xsl:with-param>
      <xsl:with-param name="text" select="briefdescription/para"/>
    </xsl:call-template>
  </xsl:template>

  <!-- ==== blocks and text ==== -->

  <xsl:template name="item">
    <xsl:param name="tag"/>
    <xsl:param name="text"/>
    <xsl:param name="default"/>
    <xsl:value-of select="concat('&#10;.TP&#10;', $tag, '&#10;')"/>
    <xsl:if test="not($text/node())"><xsl:value-of select="$default"/></xsl:if>
    <xsl:call-template name="text">
      <xsl:with-param name="nodes" select="$text/node()"/>
    </xsl:call-template>
  </xsl:template>

  <!-- What whatis(1) shows: the first sentence, without its full stop. -->
  <xsl:template name="brief">
    <xsl:variable name="text">
      <xsl:call-template name="text">
        <xsl:with-param name="nodes" select="briefdescription/para/node()"/>
      </xsl:call-template>
    </xsl:variable>
    <xsl:value-of select="substring($text, 1, string-length($text) - 1)"/>
    <xsl:value-of select="translate(substring($text, string-length($text)), '.', '')"/>
  </xsl:template>

  <xsl:template match="para" mode="blocks">
    <!-- Doxygen has the lists of parameters and results inside the last paragraph. -->
    <xsl:variable name="inline" select="node()[not(self::parameterlist or self::simplesect)]"/>
    <xsl:if test="normalize-space($inline) or $inline/self::*">
      <xsl:text>&#10;.PP&#10;</xsl:text>
      <xsl:call-template name="text">
        <xsl:with-param name="nodes" select="$inline"/>
      </xsl:call-template>
    </xsl:if>
  </xsl:template>
  <xsl:template match="title" mode="blocks">
    <xsl:value-of select="concat('&#10;.SS ', .)"/>
  </xsl:template>
  <xsl:template match="text()" mode="blocks"/>

  <!-- Running text on one line. -->
  <xsl:template name="text">
    <xsl:param name="nodes"/>
    <xsl:variable name="line"><xsl:apply-templates select="$nodes" mode="inline"/></xsl:variable>
    <xsl:if test="starts-with(normalize-space($line), '.')">\&amp;</xsl:if>
    <xsl:value-of select="normalize-space($line)"/>
  </xsl:template>

  <xsl:template match="text()" mode="inline">
    <xsl:value-of select="str:replace(str:replace(., '\', '\e'), &quot;'&quot;, '\(aq')"/>
  </xsl:template>
  <xsl:template match="emphasis" mode="inline">
    <xsl:text>\fI</xsl:text><xsl:apply-templates mode="inline"/><xsl:text>\fR</xsl:text>
  </xsl:template>
  <xsl:template match="computeroutput" mode="inline">
    <xsl:variable name="names" select="ancestor::memberdef/param/declname |
                                       ancestor::compounddef[@kind='struct']//memberdef/name"/>
    <xsl:choose>
      <xsl:when test="ref"><xsl:apply-templates mode="inline"/></xsl:when>
      <xsl:otherwise>
        <xsl:choose>
          <xsl:when test=". = $names">\fI</xsl:when>
          <xsl:otherwise>\fB</xsl:otherwise>
        </xsl:choose>
        <xsl:value-of select="str:replace(str:replace(., '-', '\-'), &quot;'&quot;, '\(aq')"/>
        <xsl:text>\fR</xsl:text>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>
  <!-- dgram_bind() is dgram_bind(3) here. -->
  <xsl:template match="ref" mode="inline">
    <xsl:value-of select="concat('\fB', str:replace(., '()', ''), '\fR')"/>
    <xsl:if test="@refid = ($functions | $callbacks | $structs)/@id">(3)</xsl:if>
  </xsl:template>
</xsl:stylesheet>
